#pragma once

namespace belay::fuzz {

/** belay.toml with what the table of senders has no example of: a hook for each. */
inline constexpr const char* custom_schemes = R"(
[hooks.pairs]
run = ["/bin/true"]
[hooks.pairs.auth]
scheme = "custom"
header = "X-Sig"
layout = "pairs"
label = "sig"
algorithm = "hmac_sha512"
encoding = "base64"
message = "{id}:{timestamp}:{body}"
timestamp_label = "ts"
id_header = "X-Id"
secret_file = "x"

[hooks.credentials]
run = ["/bin/true"]
[hooks.credentials.auth]
scheme = "custom"
header = "Authorization"
layout = "credentials"
label = "HMAC"
algorithm = "hmac_sha1"
message = "{timestamp}{body}"
timestamp_header = "X-Time"
secret_encoding = "base64"
secret_file = "x"

[hooks.list]
run = ["/bin/true"]
[hooks.list.auth]
scheme = "custom"
header = "X-Sig"
layout = "list"
label = "ed"
algorithm = "ed25519"
encoding = "base64"
message = "{body}|{id}|{timestamp}"
timestamp_header = "Date"
timestamp_format = "date"
id_header = "X-Id"
secret_encoding = "hex"
secret_file = "x"

[hooks.tail]
run = ["/bin/true"]
[hooks.tail.auth]
scheme = "custom"
header = "X-Sig"
label = "s="
message = "{body}{timestamp}"
timestamp_header = "X-Time"
secret_file = "x"

[hooks.milliseconds]
run = ["/bin/true"]
[hooks.milliseconds.auth]
scheme = "custom"
header = "X-Sig"
encoding = "base64url"
message = "{timestamp}.{body}"
timestamp_header = "X-Time"
timestamp_format = "unix_milliseconds"
secret_encoding = "base64url"
secret_file = "x"

[hooks.base64url]
run = ["/bin/true"]
[hooks.base64url.auth]
scheme = "custom"
header = "X-Sig"
layout = "list"
label = "ed"
algorithm = "ed25519"
encoding = "base64url"
message = "{id};{timestamp};{body}"
timestamp_header = "X-Time"
timestamp_format = "unix_milliseconds"
id_header = "X-Id"
secret_prefix = "pk_"
secret_encoding = "base64url"
secret_file = "x"

[hooks.token]
run = ["/bin/true"]
[hooks.token.auth]
scheme = "custom"
header = "X-Sig"
label = "tok_"
algorithm = "token"
encoding = "plain"
secret_file = "x"
)";

} // namespace belay::fuzz
