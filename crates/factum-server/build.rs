//! Makes Rust of the foreign interfaces that the server speaks, without a protoc.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    umadb()
}

/// The messages that can be large are read and written by hand: a request is decoded once, into what
/// the API takes, within limits, and events are encoded where they are read.
fn umadb() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=src/umadb/dcb.proto");
    let files = protox::compile(["src/umadb/dcb.proto"], ["src/umadb"])?;
    let by_hand =
        ["AppendRequest", "ReadRequest", "ReadResponse", "SubscribeRequest", "SubscribeResponse"];
    let mut umadb = tonic_prost_build::configure().build_client(false).build_transport(false);
    for message in by_hand {
        umadb = umadb.extern_path(format!(".umadb.v1.{message}"), "crate::umadb::Encoded");
    }
    umadb.compile_fds(files)?;
    Ok(())
}
