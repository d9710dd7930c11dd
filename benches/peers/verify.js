// Verifies a v1 delivery with the crypto module of njs.
import crypto from 'crypto';

const key = Buffer.from('@KEY@', 'base64');

function receive(r) {
    const headers = r.headersIn;
    const id = headers['webhook-id'];
    const timestamp = headers['webhook-timestamp'];
    const signatures = headers['webhook-signature'];
    if (!id || !timestamp || !signatures) return r.return(400);
    if (!(Math.abs(Date.now() / 1000 - Number(timestamp)) <= 300)) return r.return(401);

    const hmac = crypto.createHmac('sha256', key);
    const expected = 'v1,' + hmac.update(`${id}.${timestamp}.`).update(r.requestBuffer).digest('base64');
    // njs has no comparison in constant time.
    if (signatures.split(' ').indexOf(expected) >= 0) return r.internalRedirect('@backend');
    return r.return(401);
}

export default { receive };
