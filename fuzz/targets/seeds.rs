//! Writes inputs to begin with to `DIR/TARGET/`, and lists the targets.

use std::path::Path;

fn main() -> std::io::Result<()> {
    let dir = std::env::args().nth(1).expect("a directory for the inputs");
    let engine = factum_engine::fuzzing::TARGETS.iter();
    let engine = engine.map(|(name, _)| (*name, factum_engine::fuzzing::seeds(name)));
    let server = factum_server::fuzzing::targets();
    let server = server.map(|(name, _)| (*name, factum_server::fuzzing::seeds(name)));
    for (name, seeds) in engine.chain(server) {
        let dir = Path::new(&dir).join(name);
        std::fs::create_dir_all(&dir)?;
        for (number, seed) in seeds.iter().enumerate() {
            std::fs::write(dir.join(format!("seed-{number}")), seed)?;
        }
        println!("{name}");
    }
    Ok(())
}
