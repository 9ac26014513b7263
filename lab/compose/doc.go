// Package compose writes a lab's plan as a file for Docker Compose, which brings the lab up where there is no Go and no
// nomadlab.
//
// The file stands alone: the nodes' configuration is in it, and a service that runs once issues the certificates and the
// gossip key with Nomad's own CLI. It keeps to what both docker-compose 1.29 and the Compose plugin know. What it makes
// bears the names and labels that package lab and its Docker engine give to labs of their own, so that nomadlab finds it.
package compose
