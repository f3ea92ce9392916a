# The kit for instructors, with its sandbox: docs/containers.md says how to build and start it.
FROM python:3.12-slim-bookworm

# bubblewrap runs notebooks for nbgrader's pages; git clones hand-ins.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends bubblewrap git \
    && rm -rf /var/lib/apt/lists/*

RUN useradd --create-home --uid 1000 grader \
    && install -d -o grader -g grader /kit /opt/venv
USER 1000
WORKDIR /kit
COPY --chown=grader:grader . .

# An index with builds of PyTorch for the CPU: a fraction of the size of the default ones.
ARG PIP_EXTRA_INDEX_URL=""
RUN python -m venv /opt/venv \
    && /opt/venv/bin/python -m pip install --no-cache-dir -c constraints.txt \
        ./packages/en_core_web_sm -e '.[instructor]'

ENV PATH=/opt/venv/bin:$PATH \
    OMP_NUM_THREADS=1
ENTRYPOINT ["python", "-m", "grader"]
CMD ["doctor"]
