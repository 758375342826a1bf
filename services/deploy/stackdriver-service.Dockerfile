# The pair on opentelemetry-stackdriver, both in one program, and the certificate authorities that it trusts, and nothing else:
#
#   sh services/deploy/build.sh stackdriver
#   docker build --file services/deploy/stackdriver-service.Dockerfile target/deploy/stackdriver-service
FROM scratch
COPY ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY stackdriver-service /stackdriver-service
USER 1000
EXPOSE 8080
ENTRYPOINT ["/stackdriver-service"]
CMD ["backend"]
