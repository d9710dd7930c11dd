//! Calls the receiver by gRPC, with tonic's own client: `client http://127.0.0.1:3000 msg_1 nightly`.

use std::error::Error;
use std::process::ExitCode;

use countersign::{MessageId, Signer};
use tonic::transport::Endpoint;
use tonic_receiver::jobs_client::JobsClient;
use tonic_receiver::{JobEnded, Signing};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("client: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [url, id, name] = &arguments[..] else {
        return Err("usage: client URL MESSAGE_ID JOB, `client http://127.0.0.1:3000 msg_1 nightly` say".into());
    };
    let id = MessageId::parse(id).ok_or("a message id is of visible ASCII, without a dot, and not too long")?;
    let signer = Signer::new([tonic_receiver::secret()?])?;
    let endpoint = Endpoint::from_shared(url.clone())?;
    let channel = endpoint.connect().await.map_err(|error| format!("cannot connect to {url}: {error}"))?;

    let mut client = JobsClient::new(Signing::new(channel, signer, id));
    match client.report(JobEnded { name: name.clone() }).await {
        Ok(receipt) if receipt.get_ref().message_id.is_empty() => println!("it was received before"),
        Ok(receipt) => println!("received as {}", receipt.get_ref().message_id),
        Err(status) => {
            let code = status.metadata().get("countersign-code").and_then(|code| code.to_str().ok());
            let code = code.map(|code| format!(" ({code})")).unwrap_or_default();
            return Err(format!("{:?}: {}{code}", status.code(), status.message()).into());
        }
    }
    Ok(())
}
