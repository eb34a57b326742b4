# tfmlm itself, for the Job that writes exports (kubernetes/export-job.yaml) and for training in a
# container. Built from a checkout:
#   docker build -t tfmlm:0.1.0 -f serving/export.Dockerfile .
FROM python:3.11-slim

COPY . /src
RUN pip install --no-cache-dir /src && rm -rf /src

ENV HOME=/tmp TF_CPP_MIN_LOG_LEVEL=2
USER 65534:65534
WORKDIR /tmp
ENTRYPOINT ["tfmlm"]
CMD ["--help"]
