-- Verifies a v1 delivery with the libcrypto that nginx is linked with. The key is prepared once.
local ffi = require "ffi"

ffi.cdef [[
typedef struct hmac_ctx_st HMAC_CTX;
typedef struct evp_md_st EVP_MD;
HMAC_CTX *HMAC_CTX_new(void);
const EVP_MD *EVP_sha256(void);
int HMAC_Init_ex(HMAC_CTX *ctx, const void *key, int len, const EVP_MD *md, void *impl);
int HMAC_Update(HMAC_CTX *ctx, const char *data, size_t len);
int HMAC_Final(HMAC_CTX *ctx, unsigned char *md, unsigned int *len);
int CRYPTO_memcmp(const void *a, const void *b, size_t len);
]]

local C = ffi.C
local key = ngx.decode_base64("@KEY@")
local mac = C.HMAC_CTX_new()
assert(C.HMAC_Init_ex(mac, key, #key, C.EVP_sha256(), nil) == 1)
local tag = ffi.new("unsigned char[32]")

local function refuse(status)
    return ngx.exit(status)
end

return function()
    local var = ngx.var
    local id, timestamp, signatures = var.http_webhook_id, var.http_webhook_timestamp, var.http_webhook_signature
    if not (id and timestamp and signatures) then return refuse(400) end
    local signed_at = tonumber(timestamp)
    if not signed_at or math.abs(ngx.time() - signed_at) > 300 then return refuse(401) end

    ngx.req.read_body()
    local body = ngx.req.get_body_data()
    -- A body that did not fit its buffer lies in a file, which nobody here reads.
    if not body then return refuse(413) end

    local signed = id .. "." .. timestamp .. "." .. body
    C.HMAC_Init_ex(mac, nil, 0, nil, nil)
    C.HMAC_Update(mac, signed, #signed)
    C.HMAC_Final(mac, tag, nil)
    for entry in signatures:gmatch("[^ ]+") do
        local signature = entry:sub(1, 3) == "v1," and ngx.decode_base64(entry:sub(4))
        if signature and #signature == 32 and C.CRYPTO_memcmp(signature, tag, 32) == 0 then return end
    end
    return refuse(401)
end
