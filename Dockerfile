# docker build .                                 for the CPU
# docker build --build-arg VARIANT=gpu .         for NVIDIA GPUs: docker run --gpus all
FROM python:3.12-slim AS build
ARG VARIANT=cpu
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
WORKDIR /src
COPY setup.cfg pyproject.toml constraints.txt README.md LICENSE ./
COPY stn_keras stn_keras
RUN pip install --no-cache-dir --constraint constraints.txt ".[${VARIANT},experiments]" \
    && pip install --no-cache-dir --constraint constraints.txt --no-deps imgaug \
    && pip inspect --local > sbom.json \
    # TensorFlow's headers and the packages' own tests take 0.4 GB.
    && rm -r /opt/venv/lib/python*/site-packages/tensorflow/include \
    && find /opt/venv -type d -name tests -prune -exec rm -r {} +

FROM python:3.12-slim
ARG COMMIT=unknown
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    MPLCONFIGDIR=/tmp/matplotlib \
    KERAS_HOME=/app/data \
    STN_RESULTS_DIR=/app/runs/results \
    STN_COMMIT=${COMMIT}
COPY --from=build /opt/venv /opt/venv
WORKDIR /app
COPY --from=build /src/sbom.json ./
COPY cli cli
COPY data_prep data_prep
COPY experiments experiments
COPY pretrained pretrained
COPY train.py evaluate.py docker/entrypoint.sh ./
RUN useradd --uid 1000 --no-create-home stn && mkdir data runs && chown stn data runs
USER 1000:1000
VOLUME ["/app/data", "/app/runs"]
ENTRYPOINT ["/app/entrypoint.sh"]
CMD ["demo"]
