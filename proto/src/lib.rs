//! The contract of the demo services, compiled without protoc.
//!
//! `backend-service` implements the server, `api-service` calls it through the typed client of `common-lib`, and the
//! reflection service hands out [`FILE_DESCRIPTOR_SET`]. The contract itself, with the meaning of every field, stands in
//! `backend_service/v1/backend_service.proto`; nothing is written by hand here.

/// `backend_service`, as packages are laid out in the `.proto` file.
pub mod backend_service {
    /// `backend_service.v1`: messages, client and server of `BackendService`.
    pub mod v1 {
        #![allow(missing_docs, unreachable_pub, clippy::all)]
        tonic::include_proto!("backend_service.v1");
    }
}

/// The encoded `google.protobuf.FileDescriptorSet` of the contract.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// Every method of the contract, as `package.Service/Method`.
pub const METHODS: &[&str] = include!(concat!(env!("OUT_DIR"), "/methods.rs"));
