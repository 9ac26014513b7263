package catalogue

// Paths of the settings that several families of checks rest on. posture.Spec.Settings lists them, the likeliest
// first: a setting is listed if changing it alone was seen to make the check fail, or to make it meaningless.
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
