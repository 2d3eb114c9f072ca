//! Makes Rust of the interface, without a protoc: `protox` is one in Rust.

use prost::Message;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = protox::compile(["proto/factum/v1/factum.proto"], ["proto"])?;
    let descriptors = std::path::PathBuf::from(std::env::var("OUT_DIR")?).join("descriptors.bin");
    std::fs::write(descriptors, files.encode_to_vec())?;
    println!("cargo:rerun-if-changed=proto");
    let mut interface = tonic_prost_build::configure().bytes(".").build_transport(false);
    interface = interface.codec_path("crate::Codec");
    interface.compile_fds(files)?;
    Ok(())
}
