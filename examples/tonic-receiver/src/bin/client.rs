//! Calls the receiver over gRPC with tonic's client: `client http://127.0.0.1:3000 msg_1 nightly`.

use std::error::Error;
use std::process::ExitCode;

use countersign::MessageId;
use countersign::sign::Signer;
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
        return Err("usage: client URL MESSAGE_ID JOB, for example `client http://127.0.0.1:3000 msg_1 nightly`".into());
    };
    let id = MessageId::parse(id)?;
    let signer = Signer::new([tonic_receiver::secret()?])?;
    let endpoint = Endpoint::from_shared(url.clone())?;
    let channel = endpoint.connect().await.map_err(|error| format!("cannot connect to {url}: {error}"))?;

    let mut client = JobsClient::new(Signing::new(channel, signer, id));
    match client.report(JobEnded { name: name.clone() }).await {
        Ok(receipt) if receipt.get_ref().message_id.is_empty() => println!("already received"),
        Ok(receipt) => println!("received as {}", receipt.get_ref().message_id),
        Err(status) => {
            let code = status.metadata().get("countersign-code").and_then(|code| code.to_str().ok());
            let code = code.map(|code| format!(" ({code})")).unwrap_or_default();
            return Err(format!("{:?}: {}{code}", status.code(), status.message()).into());
        }
    }
    Ok(())
}
