# The backend-service and the certificate authorities that it trusts, and nothing else. `sh services/deploy/build.sh` fills the folder:
#
#   docker build --file services/deploy/backend-service.Dockerfile target/deploy/backend-service
FROM scratch
COPY ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY backend-service /backend-service
USER 1000
EXPOSE 8080
ENTRYPOINT ["/backend-service"]
