//! The body that the service is given, and the body that the sender gets.

mod frame;
mod request;
mod response;

pub use request::{BodyError, DeliveryBody};
pub use response::ResponseBody;
