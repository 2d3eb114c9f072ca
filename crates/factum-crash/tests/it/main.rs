//! The crash tests as continuous integration runs them: few, with another seed each time.

mod cut;
mod fuzz;
mod harness;
mod inject;
mod kill;
mod soak;
