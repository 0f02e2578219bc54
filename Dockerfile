# TwT in a container. docs/installing.md has the commands.
#   docker build -t twt .                                                                          the CPU build of torch
#   docker build -t twt:cuda --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu128 .      a CUDA build
#   docker build -t twt:hub --build-arg EXTRAS=hub,trl .                                           with extras

ARG PYTHON=3.11-slim-bookworm

FROM python:${PYTHON} AS build
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ARG EXTRAS=
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /source
RUN python3 -m venv /opt/twt
ENV PATH=/opt/twt/bin:$PATH
# What changes seldom comes first: a change of TwT itself installs TwT alone.
COPY requirements/ requirements/
RUN pip install --extra-index-url "$TORCH_INDEX" -c requirements/constraints.txt -r requirements/torch.txt \
    && pip install -c requirements/constraints.txt -r requirements/torch.txt -r requirements/quickstart.txt
COPY pyproject.toml README.md LICENSE ./
COPY twt_core/ twt_core/
COPY plugins/ plugins/
# Extras are not bound by the constraints: some need other versions than those that were tested together (vllm does).
# hadolint ignore=DL3013
RUN pip install --no-build-isolation -c requirements/constraints.txt -r requirements/torch.txt . \
    && if [ -n "$EXTRAS" ]; then pip install --no-build-isolation ".[$EXTRAS]"; fi

FROM python:${PYTHON}
RUN useradd --uid 1000 --create-home twt && install -d -o twt -g twt /project
COPY --from=build /opt/twt /opt/twt
# Caches of models and data sets lie in the volume: the next container finds them there. A name, because `--user` may
# give a number that has none, which torch asks for.
ENV PATH=/opt/twt/bin:$PATH USER=twt HF_HOME=/project/.cache/huggingface XDG_CACHE_HOME=/project/.cache \
    MPLCONFIGDIR=/tmp/matplotlib
USER 1000
WORKDIR /project
VOLUME /project
ENTRYPOINT ["twt"]
CMD ["--help"]
