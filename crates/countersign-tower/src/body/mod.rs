//! The body of a request to the service, and the body of a response to the sender.

mod frame;
mod request;
mod response;

pub use request::{BodyError, DeliveryBody};
pub use response::ResponseBody;
