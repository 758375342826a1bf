#!/bin/sh
# Builds services for images that hold nothing else: linked statically, with the certificate authorities of this machine beside
# them. Each ends up in a folder of its own below target/deploy, which the Dockerfile of the service copies from.
#
#   sh services/deploy/build.sh               the two demo services
#   sh services/deploy/build.sh stackdriver   the pair on opentelemetry-stackdriver, a workspace of its own
set -eu
cd "$(dirname "$0")/../.."

# The folder is one of its own, because a C library that is linked statically makes other code of every crate.
target=${CARGO_TARGET_DIR:-target}/static
triple=$(rustc -vV | sed -n 's/^host: //p')
static() {
  RUSTFLAGS="-C target-feature=+crt-static" cargo build --quiet --bins --target "$triple" --target-dir "$target" "$@"
}
case ${1:-demo} in
demo) static --package spanwise-demo-api-service --package spanwise-demo-backend-service ;;
stackdriver) static --manifest-path services/stackdriver/Cargo.toml ;;
*) echo "usage: $0 [demo|stackdriver]" >&2; exit 2 ;;
esac

for roots in "${SSL_CERT_FILE:-}" /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/cert.pem; do
  [ -n "$roots" ] && [ -f "$roots" ] && break
done
# What did not change keeps its time, so that its image need not be built again.
put() { cmp -s "$1" "$2" || cp "$1" "$2"; }
for program in "$target/$triple/debug"/*-service; do
  folder=target/deploy/${program##*/}
  mkdir -p "$folder"
  put "$program" "$folder/${program##*/}"
  put "$roots" "$folder/ca-certificates.crt"
done
