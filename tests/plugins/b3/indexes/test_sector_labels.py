import pytest

from b3.indexes.sector_labels import split_label


class TestLabels:
    @pytest.mark.parametrize(
        ("label", "expected"),
        [
            ("Bens Indls / Máqs e Equips", ("Bens Industriais", "Máquinas e Equipamentos")),
            ("Bens Indls/Transporte", ("Bens Industriais", "Transporte")),
            ("Cons N  Básico / Alimentos Processados", ("Consumo não Cíclico", "Alimentos Processados")),
            ("Cons N Ciclico/Agropecuária", ("Consumo não Cíclico", "Agropecuária")),
            ("Cons N Cíclico / Pr Pessoal Limp", ("Consumo não Cíclico", "Produtos de Cuidado Pessoal e de Limpeza")),
            ("Financ e Outros / Previd  Seguros", ("Financeiro e Outros", "Previdência e Seguros")),
            ("Financeiro e Outros/Serviços Diversos", ("Financeiro e Outros", "Serviços Diversos")),
            ("Petróleo, Gás e Biocombustíveis", ("Petróleo, Gás e Biocombustíveis", None)),
            ("Saúde/Comércio Distr.", ("Saúde", "Comércio e Distribuição")),
            ("Tec.Informação/Programas Servs", ("Tecnologia da Informação", "Programas e Serviços")),
        ],
    )
    def test_are_split_and_written_out(self, label, expected):
        assert split_label(label) == expected

    @pytest.mark.parametrize(
        "spellings",
        [
            (
                "Cons N Básico",
                "Cons N  Básico",
                "cons n basico",
                "Cons N Cíclico",
                "Cons N Ciclico",
                "Consumo Não Cíclico",
            ),
            ("Financ e Outros", "Financeiro e Outros", " Financ. e  Outros "),
            ("Bens Indls", "BENS INDLS", "Bens Industriais"),
            ("Tec.Informação", "Tec. Informação", "Tecnologia da Informacao"),
            ("Saúde", "Saude", "SAÚDE"),
        ],
        ids=lambda spellings: spellings[0],
    )
    def test_have_one_spelling_a_sector(self, spellings):
        assert len({split_label(spelling) for spelling in spellings}) == 1

    def test_that_are_unknown_stay(self):
        assert split_label(" Novo  Setor /Novo   Subsetor ") == ("Novo Setor", "Novo Subsetor")

    def test_that_end_in_a_slash_have_no_subsector(self):
        assert split_label("Diversos /") == ("Diversos", None)
