# The api-service and the certificate authorities that it trusts, and nothing else. `sh services/deploy/build.sh` fills the folder:
#
#   docker build --file services/deploy/api-service.Dockerfile target/deploy/api-service
FROM scratch
COPY ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY api-service /api-service
USER 1000
EXPOSE 8080
ENTRYPOINT ["/api-service"]
