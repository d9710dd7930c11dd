//! Generates the client and the server of `example.Jobs`. A service with a `.proto` file uses
//! `tonic-prost-build` instead, which generates the same code and needs `protoc`.

use tonic_build::manual::{Builder, Method, Service};

fn main() {
    let report = Method::builder()
        .name("report")
        .route_name("Report")
        .comment("Reports that a job has ended.")
        .input_type("crate::JobEnded")
        .output_type("crate::Receipt")
        .codec_path("tonic_prost::ProstCodec")
        .build();
    let jobs = Service::builder().package("example").name("Jobs").method(report).build();
    Builder::new().compile(&[jobs]);
    println!("cargo::rerun-if-changed=build.rs");
}
