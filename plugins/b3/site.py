"""Where B3 publishes."""

QUOTES_HOST = "https://bvmf.bmfbovespa.com.br"
QUOTES_PATH = "/InstDados/SerHist/"
