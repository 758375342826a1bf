//! Compiles `backend_service.proto` in pure Rust (protox), so that nobody needs `protoc`.
//!
//! Cargo runs it before the crate is built. Besides the Rust code it writes the encoded file descriptor set, which
//! the reflection service hands out, and the names of the methods, by which spans are named.

use std::path::PathBuf;

use prost::Message as _;
use prost_types::FileDescriptorSet;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let descriptors = protox::compile(["backend_service/v1/backend_service.proto"], ["."])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    std::fs::write(out.join("methods.rs"), format!("&{:?}", methods(&descriptors)))?;
    tonic_prost_build::configure().compile_fds(descriptors)?;
    println!("cargo::rerun-if-changed=backend_service");
    Ok(())
}

/// `package.Service/Method` of every method.
fn methods(descriptors: &FileDescriptorSet) -> Vec<String> {
    let services = descriptors.file.iter().flat_map(|file| {
        file.service.iter().map(|service| (format!("{}.{}", file.package(), service.name()), service))
    });
    services
        .flat_map(|(name, service)| {
            service.method.iter().map(move |method| format!("{name}/{}", method.name()))
        })
        .collect()
}
