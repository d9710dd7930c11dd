#![doc = include_str!("README.md")]

pub mod behind_a_proxy {
    #![doc = include_str!("behind_a_proxy.md")]
}
pub mod defaults {
    #![doc = include_str!("defaults.md")]
}
pub mod observing {
    #![doc = include_str!("observing.md")]
}
pub mod replay {
    #![doc = include_str!("replay.md")]
}
pub mod rotation {
    #![doc = include_str!("rotation.md")]
}
pub mod signature_mismatch {
    #![doc = include_str!("signature_mismatch.md")]
}
pub mod static_and_dynamic {
    #![doc = include_str!("static_and_dynamic.md")]
}
pub mod threats {
    #![doc = include_str!("threats.md")]
}
