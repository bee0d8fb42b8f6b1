# mifid for a CPU:  docker build -t mifid .
#                   docker run --rm -v "$PWD":/data -v mifid:/cache mifid score images.zip --ref monet_jpg/
#
# Smaller by a few GB with torch's CPU builds: --build-arg TORCH_INDEX=ADDRESS, the address that
# pytorch.org, "Start locally", shows for pip and CPU.
FROM python:3.12-slim

ARG TORCH_INDEX=
RUN pip install --no-cache-dir ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} torch torchvision

COPY . /src
RUN pip install --no-cache-dir '/src[cpu]' && rm -rf /src

# Features and weights stay in the volume /cache.
RUN useradd --create-home mifid && mkdir /cache /data && chown mifid /cache /data
USER mifid
ENV MIFID_CACHE=/cache
WORKDIR /data
ENTRYPOINT ["mifid"]
