//! HTTP as it stands on the wire, for outside systems that must not be a proper server.

/// How long the request is that stands at the beginning, once it is there.
pub(crate) fn request_length(read: &[u8]) -> Option<usize> {
    let head = read.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&read[..head]).to_ascii_lowercase();
    let body = text.split("\r\ncontent-length:").nth(1).and_then(|rest| rest.split("\r\n").next()?.trim().parse().ok());
    let whole = head + body.unwrap_or(0);
    (read.len() >= whole).then_some(whole)
}
