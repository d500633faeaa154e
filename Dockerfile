# The connector as Airbyte runs it. Any image with Python 3.11 to 3.13 will do as the base.
ARG BASE_IMAGE=docker.io/airbyte/python-connector-base:4.0.2
FROM ${BASE_IMAGE}

USER root
WORKDIR /airbyte/integration_code
# Owned by the user whom Airbyte's base images have, so that a patched image may install into it as this user.
# The link is for patches as Airbyte's documentation shows them, which copy to ./airbyte/integration_code.
RUN (id airbyte || useradd --uid 1000 airbyte) \
    && ln -s /airbyte airbyte \
    && chown -R airbyte:airbyte /airbyte
USER airbyte

ENV PATH="/airbyte/venv/bin:${PATH}"
COPY requirements.lock ./
RUN python -m venv /airbyte/venv \
    && python -m pip install --no-cache-dir --disable-pip-version-check --require-hashes --requirement requirements.lock

COPY --chown=airbyte:airbyte . ./
# The lock holds all that it needs, what builds it too.
RUN python -m pip install --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation --editable . \
    && python -m compileall -q source_klaviyo

# A crash outside Python (in a decoder written in C, say) leaves a stack trace.
ENV PYTHONFAULTHANDLER=1
ENV AIRBYTE_ENTRYPOINT="python /airbyte/integration_code/main.py"
ENTRYPOINT ["python", "/airbyte/integration_code/main.py"]
