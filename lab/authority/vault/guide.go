package vault

// GuideLine is one line of HashiCorp's published guide, and what has become of it with Vault 1.21.0, consul-template 0.41.1 and
// Nomad 1.11.3.
type GuideLine struct {
	// Line is the guide's.
	Line string
	// Works is true if it still does what the guide says.
	Works bool
	// Today is what to write instead, or what a lab does in its place. Empty: the same line.
	Today string
	// Why says what happens now, or what the line brings along.
	Why string
}

// GuideLines returns the guide's lines in its order, those that work among them.
func GuideLines() []GuideLine {
	out := vaultLines()
	out = append(out, templateLines()...)
	return append(out, nomadLines()...)
}

func vaultLines() []GuideLine {
	works := func(line, why string) GuideLine { return GuideLine{Line: line, Works: true, Why: why} }
	return []GuideLine{
		works("vault operator init -key-shares=1 -key-threshold=1", ""),
		works("vault operator unseal", "It asks for the key, and so needs a terminal; a program gives the key to sys/unseal."),
		works("vault login <your initial root token>", "It keeps the root token in ~/.vault-token. A lab calls without it."),
		works("vault secrets enable pki", ""),
		works("vault secrets tune -max-lease-ttl=87600h pki", ""),
		works(`vault write -field=certificate pki/root/generate/internal common_name="global.nomad" ttl=87600h > CA_cert.crt`,
			"The root has no limit of path length and no name constraints."),
		works("vault secrets enable -path=pki_int pki", ""),
		works("vault secrets tune -max-lease-ttl=43800h pki_int", ""),
		works(`vault write -format=json pki_int/intermediate/generate/internal common_name="global.nomad Intermediate Authority" ttl="43800h" | jq -r '.data.csr' > pki_intermediate.csr`,
			"The life is not part of a request: that of the next line counts."),
		works(`vault write -format=json pki/root/sign-intermediate csr=@pki_intermediate.csr format=pem_bundle ttl="43800h" | jq -r '.data.certificate' > intermediate.cert.pem`,
			"With pem_bundle the root follows the intermediate, so that Vault knows the chain."),
		works("vault write pki_int/intermediate/set-signed certificate=@intermediate.cert.pem", ""),
		works("vault write pki_int/roles/nomad-cluster allowed_domains=global.nomad allow_subdomains=true max_ttl=86400s require_cn=false generate_lease=true",
			"Any holder of the role may ask for server.global.nomad and for *.global.nomad; Vault now warns of generate_lease."),
		works("vault policy write tls-policy tls-policy.hcl", "It allows the parameter not_after, which goes beyond the role's max_ttl."),
		works(`vault token create -policy="tls-policy" -ttl=24h`, "Tokens begin with hvs. now; the policy \"default\" is added."),
	}
}

func templateLines() []GuideLine {
	return []GuideLine{
		{Line: `address      = "http://active.vault.service.consul:8200"`, Works: true,
			Why: "It needs Consul for the name, and sends token and private keys without TLS: a lab gives Vault's own address, and with the safe form TLS."},
		{Line: `grace        = "1s"`, Today: "(leave it out)", Why: "consul-template ends: 'vault' has invalid keys: grace."},
		{Line: "unwrap_token = false", Works: true},
		{Line: "renew_token  = true", Works: true},
		{Line: "syslog { enabled = true facility = \"LOCAL5\" }", Today: "(leave it out: the engine keeps the log)",
			Why: "consul-template ends where no syslog listens, as in a container."},
		{Line: `command     = "systemctl reload nomad"`, Today: `exec { command = ["nomad", "agent", …] reload_signal = "SIGHUP" }`,
			Why: "Without systemd the command fails, and consul-template ends with it."},
		{Line: "perms       = 0700", Works: true, Today: "perms = 0600", Why: "A key needs no right of execution."},
		{Line: `template { source = "/opt/nomad/templates/cli.key.tpl" destination = "/opt/nomad/cli-certs/cli.key" }`, Works: true,
			Today: "perms = 0600", Why: "Without perms the private key is 0644."},
		{Line: "ca.crt.tpl: {{ .Data.issuing_ca }}", Works: true, Today: `{{ with secret "pki/cert/ca" }}{{ .Data.certificate }}{{ end }}`,
			Why: "Its parameters differ from those of agent.crt.tpl, so Vault issues one more certificate; issuing_ca is the intermediate alone."},
		{Line: "agent.crt.tpl: {{ .Data.certificate }}", Works: true, Today: `{{ with pkiCert … }}{{ .Cert }}{{ .CA }}{{ .Key }}{{ end }}`,
			Why: "The certificate carries no chain, so that a peer which trusts the root alone refuses it."},
		{Line: "sudo systemctl start consul-template", Today: "consul-template -config /etc/consul-template.d",
			Why: "A container has no systemd: consul-template is the node's main process."},
	}
}

func nomadLines() []GuideLine {
	return []GuideLine{
		{Line: "rpc_upgrade_mode       = true", Works: true, Today: "(leave it out)",
			Why: "While it is on, RPC and Raft are served without TLS; a lab is new and needs no upgrade."},
		{Line: "systemctl reload nomad", Today: "consul-template sends SIGHUP",
			Why: "A reload after a change of rpc_upgrade_mode alone changes nothing (verified against Nomad 1.11.3): restart the servers."},
		{Line: "nomad operator keygen", Today: "nomad operator gossip keyring generate",
			Why: "Nomad prints the usage of \"operator\" and exits with 1."},
		{Line: "openssl rand -base64 16", Works: true, Today: "openssl rand -base64 32", Why: "16 bytes are AES-128; Nomad's own command makes 32."},
		{Line: `encrypt = "cg8StVXbQJ0gPvMd9o7yrg=="`, Works: true, Today: "a key of 32 bytes, made for this cluster", Why: "The guide's key is public."},
	}
}
