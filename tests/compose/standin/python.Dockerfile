# Stands for the official Python image.
FROM standin-debian
COPY python/ /usr/local/
RUN ldconfig
ENV LANG=C.UTF-8
