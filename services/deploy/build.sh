#!/bin/sh
# Builds the services for images that hold nothing else: linked statically, with the certificate authorities of this machine
# beside them. Everything ends up in target/deploy, the folder that the Dockerfiles here copy from.
#
#   sh services/deploy/build.sh [PACKAGE …]      the two demo services where none is named
set -eu
cd "$(dirname "$0")/../.."
[ "$#" -gt 0 ] || set -- spanwise-demo-api-service spanwise-demo-backend-service

# The folder is one of its own, because a C library that is linked statically makes other code of every crate.
target=${CARGO_TARGET_DIR:-target}/static
triple=$(rustc -vV | sed -n 's/^host: //p')
packages=
for package; do packages="$packages --package $package"; done
# shellcheck disable=SC2086 # the words are packages and have no spaces
RUSTFLAGS="-C target-feature=+crt-static" cargo build --quiet --locked --bins --target "$triple" --target-dir "$target" $packages

mkdir -p target/deploy
for roots in "${SSL_CERT_FILE:-}" /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/cert.pem; do
  [ -n "$roots" ] && [ -f "$roots" ] && break
done
cp "$roots" target/deploy/ca-certificates.crt
# One that did not change keeps its time, so that its image need not be built again.
for program in "$target/$triple/debug"/*-service; do
  cmp -s "$program" "target/deploy/${program##*/}" || cp "$program" target/deploy/
done
