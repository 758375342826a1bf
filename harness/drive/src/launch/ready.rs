//! When a service is ready: it says so, or a question to it is answered. Never because time has passed.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use spanwise_model::{HttpVersion, RequestResult};
use tokio::net::TcpStream;

use super::output::{News, Output};
use crate::client::{Client, HttpRequest, health};
use crate::clock::unsampled;

/// How a service says that it serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ready {
    /// By a JSON line on standard output: `{"message":"listening","address":"127.0.0.1:40123"}`. The service chooses
    /// its port.
    Line,
    /// Its port accepts connections.
    Port,
    /// `grpc.health.v1` on its port answers SERVING.
    GrpcHealth,
    /// A GET of this path on its port is answered with a status of 200 to 299.
    HttpPath(String),
    /// It writes a line, on either stream, that has this text in it, and serves on its port then.
    Says(String),
}

impl Ready {
    /// The text that [`Output::new`] is to look for in lines.
    pub fn awaited(&self) -> Option<String> {
        match self {
            Ready::Says(text) => Some(text.clone()),
            _ => None,
        }
    }

    /// Resolves, with the service's address, when it is ready; that is the given one, unless the service chooses it. Keeps in
    /// `seen` what it saw until then.
    pub async fn reached(&self, output: &Output, address: SocketAddr, seen: &mut String) -> SocketAddr {
        let client = Client::plaintext();
        let url = format!("http://{address}");
        let mut pause = Duration::from_millis(1);
        loop {
            let answer = match self {
                Ready::Line => return address_of_line(output).await,
                Ready::Says(_) => {
                    output.said_it().await;
                    return address;
                }
                Ready::Port => match TcpStream::connect(address).await {
                    Ok(stream) if meets_itself(&stream) => format!("{address}: nobody listens"),
                    Ok(_) => return address,
                    Err(error) => format!("{address}: {error}"),
                },
                Ready::GrpcHealth => match health(&client, &url).await {
                    Ok(()) => return address,
                    Err(reason) => reason,
                },
                Ready::HttpPath(path) => match get(&client, &url, path).await {
                    RequestResult::Http(200..=299) => return address,
                    other => other.to_string(),
                },
            };
            *seen = format!("; last seen: {answer}");
            // waits on purpose: a port tells nobody that it opens; it has to be tried again.
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    }
}

impl fmt::Display for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ready::Line => f.write_str("no JSON line with \"message\":\"listening\" and its \"address\""),
            Ready::Port => f.write_str("no connection to its port"),
            Ready::GrpcHealth => f.write_str("grpc.health.v1 did not answer SERVING"),
            Ready::HttpPath(path) => write!(f, "GET {path} was not answered with a status of 200 to 299"),
            Ready::Says(text) => write!(f, "no line with {text:?} in it"),
        }
    }
}

/// Whether both ends of a connection are the same socket. Where nobody listens, the kernel may choose for the caller's end the very
/// port that it connects to (RFC 9293, section 3.5, simultaneous open).
fn meets_itself(stream: &TcpStream) -> bool {
    matches!((stream.local_addr(), stream.peer_addr()), (Ok(own), Ok(other)) if own == other)
}

async fn address_of_line(output: &Output) -> SocketAddr {
    let mut news = output.subscribe();
    loop {
        if let Ok(News { address: Some(address), .. }) =
            news.wait_for(|news| news.address.is_some()).await.as_deref()
        {
            return *address;
        }
        // Only without an output there is no news any more, and then nobody waits.
        std::future::pending::<()>().await;
    }
}

async fn get(client: &Client, url: &str, path: &str) -> RequestResult {
    let request = HttpRequest {
        url: url.to_owned(),
        version: HttpVersion::Http1,
        method: "GET".to_owned(),
        path: path.to_owned(),
        headers: unsampled().to_vec(),
        body: None,
        deadline: Some(Duration::from_secs(2)),
        own_connection: true,
    };
    match client.http(request).await {
        Ok(answer) => answer.result,
        Err(error) => RequestResult::None(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::{TcpListener, TcpSocket};

    use super::*;

    #[tokio::test]
    async fn a_socket_that_meets_itself_is_nobodys_port() {
        let own = TcpSocket::new_v4().expect("a socket");
        own.bind(([127, 0, 0, 1], 0).into()).expect("a port");
        let address = own.local_addr().expect("an address");
        assert!(meets_itself(&own.connect(address).await.expect("itself")));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        assert!(!meets_itself(&TcpStream::connect(address).await.expect("the listener")));
    }
}
