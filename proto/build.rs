//! Compiles `backend_service.proto` in pure Rust (protox), so that nobody needs `protoc`.
//!
//! Cargo runs it before the crate is built. Besides the Rust code it writes the encoded file descriptor set, which
//! the reflection service hands out.

use std::path::PathBuf;

use prost::Message as _;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let descriptors = protox::compile(["backend_service/v1/backend_service.proto"], ["."])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?).join("descriptors.bin");
    std::fs::write(out, descriptors.encode_to_vec())?;
    tonic_prost_build::configure().compile_fds(descriptors)?;
    println!("cargo::rerun-if-changed=backend_service");
    Ok(())
}
