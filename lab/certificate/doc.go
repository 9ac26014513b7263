// Package certificate says in words what Nomad makes of certificates: whom they speak for, what they open, until when, and what is
// wrong with them. It judges bytes that were read elsewhere: it opens no file and no connection, and its clock is an argument.
// Package reader, below it, reads files, folders and ports.
//
// What a certificate opens is said for agents that trust its authority and have every protection on: tls.http, tls.rpc,
// verify_https_client and verify_server_hostname. With verify_server_hostname off, every certificate of the authority opens
// everything (verified against Nomad 1.11.3).
package certificate
