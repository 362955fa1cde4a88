# syntax=docker/dockerfile:1
# The image of clipdraw's server. scripts/docker-build builds it and adds Cog's labels;
# docs/deployment.md explains both.
#
#   DEVICE       cuda (default) or cpu: which half of libtorch is in the image
#   WEIGHTS      names of published weights to put in, e.g. "ViT-B/32"; none: the embedded model alone
#   WEIGHTS_URL  a mirror of the publisher's folder
#   FEATURES     Cargo features, e.g. otel
ARG DEVICE=cuda
ARG DEBIAN=trixie
ARG RUST_VERSION=1.95
ARG TORCH_VERSION=2.11.0

# --- libtorch: changes only with PyTorch's version --------------------------------------
FROM python:3.12-slim-${DEBIAN} AS wheels
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends binutils libgomp1 \
    && rm -rf /var/lib/apt/lists/*
COPY scripts/unpack_libtorch.py /build/

# The half for CPUs. The program is compiled against it for both devices, since it opens the CUDA half at run time.
FROM wheels AS libtorch
ARG TORCH_VERSION
# The wheel on PyPI is the one for CUDA 13.0; unpack_libtorch.py leaves its CUDA half out for cpu.
RUN --mount=type=cache,target=/root/.cache/pip,sharing=locked \
    pip download --quiet --dest /wheels --no-deps "torch==$TORCH_VERSION" \
    && /build/unpack_libtorch.py needs /wheels cpu >/build/needs.txt \
    && pip download --quiet --dest /wheels --requirement /build/needs.txt \
    && /build/unpack_libtorch.py unpack /wheels cpu /opt/libtorch \
    && rm -rf /wheels

# --- what of it a running program needs: no headers, no names of local functions ---------
FROM libtorch AS libtorch-cpu
RUN rm -rf /opt/libtorch/torch/include \
    && strip /opt/libtorch/torch/lib/libtorch_cpu.so

FROM wheels AS libtorch-cuda
ARG TORCH_VERSION
# The last files are libraries of CUDA that libtorch neither links nor opens.
RUN --mount=type=cache,target=/root/.cache/pip,sharing=locked \
    pip download --quiet --dest /wheels --no-deps "torch==$TORCH_VERSION" \
    && /build/unpack_libtorch.py needs /wheels cuda >/build/needs.txt \
    && pip download --quiet --dest /wheels --requirement /build/needs.txt \
    && /build/unpack_libtorch.py unpack /wheels cuda /opt/libtorch \
    && rm -rf /wheels /opt/libtorch/torch/include \
    && strip /opt/libtorch/torch/lib/libtorch_cpu.so /opt/libtorch/torch/lib/libtorch_cuda.so \
    && libraries=/opt/libtorch/nvidia/cu13/lib \
    && rm -f "$libraries"/libcheckpoint.so "$libraries"/libcufftw.so.* "$libraries"/libcusolverMg.so.* \
        "$libraries"/libnvblas.so.* "$libraries"/libnvperf_*.so "$libraries"/libnvrtc*.alt.so.* \
        "$libraries"/libnvtx3interop.so.* "$libraries"/libpcsamplingutil.so

# --- the program: dependencies first, in a layer of their own ---------------------------
FROM rust:${RUST_VERSION}-${DEBIAN} AS chef
RUN cargo install cargo-chef --locked --version 0.1.78
WORKDIR /build

FROM chef AS plan
COPY Cargo.toml Cargo.lock build.rs ./
# The other packages of the workspace are not compiled here, but cargo reads their manifests.
COPY training/Cargo.toml training/
COPY fuzz/Cargo.toml fuzz/
COPY src src
RUN cargo chef prepare --recipe-path recipe.json

FROM chef AS build
ARG FEATURES=
# build.rs writes this folder into the program, which finds its libraries there without LD_LIBRARY_PATH.
ENV LIBTORCH=/opt/libtorch/torch
COPY --from=libtorch /opt/libtorch /opt/libtorch
COPY --from=plan /build/recipe.json recipe.json
RUN cargo chef cook --release --locked --bin clipdraw --recipe-path recipe.json \
    ${FEATURES:+--features "$FEATURES"}
COPY Cargo.toml Cargo.lock build.rs ./
COPY training/Cargo.toml training/
COPY fuzz/Cargo.toml fuzz/
COPY vocabulary vocabulary
COPY weights/compact-v4.safetensors weights/
COPY src src
# The program says which libtorch it was compiled against; here, that is the part which both images have.
RUN sed -i 's/+cpu$//' /opt/libtorch/torch/build-version \
    && cargo build --release --locked --bin clipdraw ${FEATURES:+--features "$FEATURES"} \
    && install target/release/clipdraw /usr/local/bin/clipdraw

# --- weights: the layer made from this stage stays the same while the files do ----------
FROM build AS weights
ARG WEIGHTS=
ARG WEIGHTS_URL=
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
RUN --mount=type=cache,target=/cache/weights,sharing=locked \
    mkdir /weights \
    && for name in $WEIGHTS; do \
        path=$(clipdraw weights --weights-dir /cache/weights fetch "$name" ${WEIGHTS_URL:+--url "$WEIGHTS_URL"}) \
        && cp -p "$path" /weights/; \
    done

# --- the image --------------------------------------------------------------------------
FROM debian:${DEBIAN}-slim AS runtime-cpu
# A new volume of Docker gets the owner of the folder that it is mounted on: /data is for the store.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates libgomp1 libstdc++6 tini zlib1g \
    && rm -rf /var/lib/apt/lists/* \
    && ln -s /usr/bin/tini /sbin/tini \
    && useradd --uid 10001 --create-home --shell /usr/sbin/nologin clipdraw \
    && install -d -o clipdraw -g clipdraw /var/run/cog /data

FROM runtime-cpu AS runtime-cuda
# NVIDIA's container toolkit reads these. With a driver too old for CUDA 13 the container does not
# start, instead of drawing on the processor without a word.
ENV NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    NVIDIA_REQUIRE_CUDA="cuda>=13.0"

# hadolint ignore=DL3006
FROM libtorch-${DEVICE} AS libtorch-runtime

# hadolint ignore=DL3006
FROM runtime-${DEVICE}
COPY --from=libtorch-runtime /opt/libtorch /opt/libtorch
# Outside /src, which `cog run` hides behind a project's folder.
COPY --from=weights --chown=10001:10001 /weights /weights
COPY --from=build /usr/local/bin/clipdraw /usr/local/bin/clipdraw
COPY --chmod=755 docker/health /usr/local/bin/clipdraw-health
COPY --chmod=755 docker/python /usr/local/bin/python
WORKDIR /src
# Written by the program that serves it, so that the two cannot differ.
RUN ln -s python /usr/local/bin/python3 \
    && mkdir .cog \
    && clipdraw schema --compact >.cog/openapi_schema.json
ENV CLIPDRAW_WEIGHTS_DIR=/weights
LABEL org.opencontainers.image.title="clipdraw" \
    org.opencontainers.image.description="Turns a prompt into a vector drawing, behind Cog's HTTP API" \
    org.opencontainers.image.licenses="Apache-2.0" \
    run.cog.has_init="true"
USER 10001:10001
EXPOSE 5000
HEALTHCHECK --interval=10s --timeout=6s --start-period=5m --start-interval=1s --retries=3 \
    CMD ["/usr/local/bin/clipdraw-health"]
ENTRYPOINT ["/sbin/tini", "--"]
CMD ["/usr/local/bin/clipdraw", "serve"]
