//! What a gRPC service's methods take and give: from an encoded descriptor set, or from the service itself.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use prost::Message as _;
use prost_reflect::{DescriptorPool, MethodDescriptor};
use prost_types::FileDescriptorProto;
use spanwise_model::{GrpcCode, RequestResult};
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::{ServerReflectionRequest, ServerReflectionResponse};

use super::Client;
use super::grpc::{RawCall, frame, unframe};
use crate::DriveError;
use crate::clock::unsampled;

/// The reflection services, the newest first; the older one has the same messages under another name.
const REFLECTION: [&str; 2] = [
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

/// The descriptors of a service; cheap to clone.
#[derive(Clone, Debug)]
pub struct Descriptors(DescriptorPool);

impl Descriptors {
    /// Reads an encoded `google.protobuf.FileDescriptorSet`.
    pub fn decode(bytes: &[u8]) -> Result<Descriptors, DriveError> {
        Ok(Descriptors(DescriptorPool::decode(bytes)?))
    }

    /// Asks a service for its descriptors by server reflection. The requests are sent unsampled; they go to the
    /// service itself, not through a front, so that they do not show among its exchanges.
    pub async fn fetch(client: &Client, url: &str) -> Result<Descriptors, DriveError> {
        let failed = |reason| DriveError::Reflection { url: url.to_owned(), reason };
        let (path, listed) = list_services(client, url).await.map_err(failed)?;
        let mut files: HashMap<String, FileDescriptorProto> = HashMap::new();
        let services = listed.into_iter().filter(|name| !name.starts_with("grpc.reflection."));
        add(client, url, path, services.map(MessageRequest::FileContainingSymbol).collect(), &mut files)
            .await
            .map_err(failed)?;
        // Servers may leave out what a file depends on; then it is asked for by name.
        loop {
            let needed: BTreeSet<&String> = files.values().flat_map(|file| &file.dependency).collect();
            let missing: Vec<MessageRequest> = needed
                .into_iter()
                .filter(|name| !files.contains_key(*name))
                .map(|name| MessageRequest::FileByFilename(name.clone()))
                .collect();
            if missing.is_empty() {
                break;
            }
            let before = files.len();
            add(client, url, path, missing, &mut files).await.map_err(failed)?;
            if files.len() == before {
                return Err(failed("it does not know the files that its own files depend on".to_owned()));
            }
        }
        let mut pool = DescriptorPool::new();
        pool.add_file_descriptor_protos(files.into_values())?;
        Ok(Descriptors(pool))
    }

    /// A method by its name, `package.Service/Method`.
    pub fn method(&self, call: &str) -> Result<MethodDescriptor, DriveError> {
        let unknown = || DriveError::UnknownMethod(call.to_owned());
        let (service, method) = call.split_once('/').ok_or_else(unknown)?;
        let service = self.0.get_service_by_name(service).ok_or_else(unknown)?;
        service.methods().find(|found| found.name() == method).ok_or_else(unknown)
    }
}

async fn list_services(client: &Client, url: &str) -> Result<(&'static str, Vec<String>), String> {
    let mut last = Err(String::new());
    for path in REFLECTION {
        last = ask(client, url, path, vec![MessageRequest::ListServices(String::new())]).await;
        if !matches!(&last, Err(reason) if reason == GrpcCode::Unimplemented.as_str()) {
            let services = last?.into_iter().flat_map(|response| match response {
                MessageResponse::ListServicesResponse(list) => list.service,
                _ => Vec::new(),
            });
            return Ok((path, services.map(|service| service.name).collect()));
        }
    }
    last.map(|_| (REFLECTION[0], Vec::new()))
}

async fn add(
    client: &Client,
    url: &str,
    path: &str,
    requests: Vec<MessageRequest>,
    files: &mut HashMap<String, FileDescriptorProto>,
) -> Result<(), String> {
    for response in ask(client, url, path, requests).await? {
        match response {
            MessageResponse::FileDescriptorResponse(found) => {
                for bytes in found.file_descriptor_proto {
                    let file =
                        FileDescriptorProto::decode(bytes.as_slice()).map_err(|error| error.to_string())?;
                    files.insert(file.name().to_owned(), file);
                }
            }
            MessageResponse::ErrorResponse(error) => return Err(error.error_message),
            _ => {}
        }
    }
    Ok(())
}

/// Sends all questions in one call and gives back all answers.
async fn ask(
    client: &Client,
    url: &str,
    path: &str,
    requests: Vec<MessageRequest>,
) -> Result<Vec<MessageResponse>, String> {
    let messages = requests.into_iter().flat_map(|request| {
        let request = ServerReflectionRequest { host: String::new(), message_request: Some(request) };
        frame(&request.encode_to_vec())
    });
    let call = RawCall {
        url,
        path,
        headers: &unsampled(),
        messages: messages.collect(),
        deadline: Some(Duration::from_secs(10)),
        own_connection: false,
    };
    let answer = client.raw_grpc(call).await.map_err(|error| error.to_string())?;
    match answer.result {
        RequestResult::Grpc(GrpcCode::Ok) => {}
        other => return Err(other.to_string()),
    }
    let responses = unframe(&answer.body).into_iter().map(ServerReflectionResponse::decode);
    responses
        .map(|response| response.map_err(|error| error.to_string()))
        .filter_map(|response| response.map(|response| response.message_response).transpose())
        .collect()
}
