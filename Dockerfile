# An image with nothing in it but Twite and the authorities whose certificates it trusts. The database is in /data:
#   docker build -t twite . && docker run -p 8080:8080 -v twite:/data -e TWITE_BASE_URL=https://twite.example twite
FROM node:22-slim AS assets
WORKDIR /src/assets
COPY assets .
RUN npm ci

FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
COPY --from=assets /src/assets/dist assets/dist
RUN go run ./cmd/package -binary /out/twite && mkdir /out/data /out/tmp

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/twite /usr/bin/twite
COPY --from=build --chown=65532:65532 /out/data /data
COPY --from=build --chown=65532:65532 /out/tmp /tmp
USER 65532:65532
WORKDIR /data
VOLUME /data
ENV TWITE_ADDR=:8080
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=6s --start-period=1m CMD ["/usr/bin/twite", "healthcheck"]
ENTRYPOINT ["/usr/bin/twite"]
