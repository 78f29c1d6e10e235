# Every image of Velaro. A service is one image, whose argument says which of its processes to be:
#
#   docker build --target service --build-arg SERVICE=chat -t velaro/chat .
#   docker build --target gateway -t velaro/gateway .
#   docker build --target setup -t velaro/setup .
#
# The bases are arguments, for sites that build from their own: deploy/images/stand-ins.sh makes such bases.
# No step needs BuildKit.
ARG PYTHON_IMAGE=python:3.12-slim
ARG NODE_IMAGE=node:22-slim

FROM ${PYTHON_IMAGE} AS chassis
RUN python -m venv /opt/velaro
# What all services stand on comes first, so that it is installed once for all of them.
COPY chassis/requirements.txt /tmp/chassis.txt
RUN /opt/velaro/bin/pip install -q --no-cache-dir --require-hashes -r /tmp/chassis.txt
COPY contracts /srv/velaro/contracts
COPY chassis /srv/velaro/chassis

FROM chassis AS packages
ARG SERVICE=gateway
COPY services/${SERVICE}/requirements.txt /tmp/service.txt
RUN /opt/velaro/bin/pip install -q --no-cache-dir --require-hashes -r /tmp/service.txt \
 && /opt/velaro/bin/pip uninstall -qy pip setuptools
COPY services/${SERVICE} /srv/velaro/services/${SERVICE}
# The browser's sources are built in a stage of their own. The root file system is read-only later on, so Python could not keep what it compiles.
RUN rm -rf /srv/velaro/services/*/web && /opt/velaro/bin/python -m compileall -q /srv/velaro

FROM ${PYTHON_IMAGE} AS service
ARG SERVICE=gateway
RUN groupadd -g 10001 velaro && useradd -u 10001 -g velaro -M -s /usr/sbin/nologin velaro
COPY --from=packages /opt/velaro /opt/velaro
COPY --from=packages /srv/velaro /srv/velaro
WORKDIR /srv/velaro
ENV PATH=/opt/velaro/bin:$PATH PYTHONUNBUFFERED=1 VELARO_SERVICE=${SERVICE} \
    VELARO_SECRETS_DIR=/run/secrets VELARO_BIND=0.0.0.0:8080 VELARO_OPERATIONS_BIND=0.0.0.0:8080
USER velaro
EXPOSE 8080
# By the shell and not by Python, which would cost each container some hundredths of a core just to start.
HEALTHCHECK --interval=5s --timeout=5s --start-period=60s --retries=6 CMD ["bash", "-c", "\
    exec 3<>/dev/tcp/127.0.0.1/8080 && printf 'GET /ready HTTP/1.0\\r\\n\\r\\n' >&3 && answer=$(timeout 4 cat <&3) && \
    echo \"$answer\" | tail -n 1 && [[ $answer == HTTP/1.?\\ 200* ]]"]
ENTRYPOINT ["sh", "-c", "exec python -m services.$VELARO_SERVICE \"$@\"", "sh"]
CMD ["web"]

FROM ${NODE_IMAGE} AS browser
WORKDIR /web
COPY services/gateway/web/package.json services/gateway/web/package-lock.json services/gateway/web/.npmrc ./
RUN npm ci --silent --no-audit --no-fund
COPY services/gateway/web ./
RUN npm run --silent build

FROM service AS gateway
COPY --from=browser /web/dist /srv/velaro/services/gateway/web/dist

FROM ${PYTHON_IMAGE} AS setup
RUN groupadd -g 10001 velaro && useradd -u 10001 -g velaro -M -s /usr/sbin/nologin velaro
# A new volume takes the owner of the folder that it is first mounted on.
RUN for owner in setup accounts chat transcripts surveys gateway mongo rabbitmq; do \
      install -d -o velaro -g velaro /secrets/$owner; done
COPY --from=chassis /opt/velaro /opt/velaro
COPY --from=chassis /srv/velaro /srv/velaro
COPY deploy /srv/velaro/deploy
WORKDIR /srv/velaro
ENV PATH=/opt/velaro/bin:$PATH PYTHONUNBUFFERED=1
USER velaro
ENTRYPOINT ["python", "-m", "deploy.containers"]
