//! Rejections, and the responses that the layer writes itself.

pub mod problem;
pub(crate) mod rejection;
pub(crate) mod render;
pub(crate) mod response;

pub use rejection::Rejection;
pub use render::Rendered;
