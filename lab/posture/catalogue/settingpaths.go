package catalogue

// The settings that promises of several families rest on, by path. posture.Spec.Settings has them, the likeliest first: a
// setting is named where it alone, changed, was seen to break the promise, or makes it void.
const (
	aclEnabled     = "acl.enabled"
	serverEncrypt  = "server.encrypt"
	serverExpect   = "server.bootstrap_expect"
	tlsHTTP        = "tls.http"
	tlsRPC         = "tls.rpc"
	tlsUpgrade     = "tls.rpc_upgrade_mode"
	tlsVerifyHTTPS = "tls.verify_https_client"
	tlsVerifyNames = "tls.verify_server_hostname"
	tlsAuthorities = "tls.ca_file"
	tlsCertificate = "tls.cert_file"
)
