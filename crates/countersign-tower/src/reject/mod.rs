//! Rejections, and the layer's own responses.

pub mod problem;
pub(crate) mod rejection;
pub(crate) mod render;
pub(crate) mod response;

pub use rejection::Rejection;
pub use render::Rendered;
