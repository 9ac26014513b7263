// Package image gets a part, which is a program that labs run, of a wanted version: Nomad, Vault or consul-template. It gets it
// as a Docker image (Resolve), as a binary for engines that run agents as ordinary processes (ResolveBinary), without Docker,
// or as a static binary that is copied into containers (ResolveFile). All parts go the same ways.
//
// The sources of an image, in the order in which they are tried:
//
//  1. what the user names: an image, or a binary, around which an image is made;
//  2. an image on this machine: the official one, or one that an earlier run built;
//  3. a pull of the official image;
//  4. a build from the part's Go module, for the versions with an embedded recipe.
//
// The sources of a binary:
//
//  1. what the user names: a binary that runs on this machine, static or not;
//  2. the binary of an earlier run, in the cache;
//  3. the program in PATH, if it has exactly the wanted version;
//  4. for ResolveFile with a Docker daemon, the official image, on this machine or pulled: the binary is copied out of it;
//  5. a build from the part's Go module, for the versions with an embedded recipe.
//
// Before a build starts, the progress says how long it takes. Cached asks whether a part is here without one.
//
// Both kinds of builds share the cache ($XDG_CACHE_HOME/nomadlab/image): a machine compiles each version of a part once. If two
// runs build at the same time, the second waits and uses the result of the first.
//
// All images have the same interface: the program is at Part.Path, such as /bin/nomad, beside a shell and BusyBox's applets,
// /tmp is writable by all, and a container runs as an ordinary user without any capability. Callers must override the entry
// point with the program: that of the official image of Nomad is a script that sleeps for two seconds before an agent starts,
// unless NOMAD_SKIP_DOCKER_IMAGE_WARN is set, and that of Vault changes owners and capabilities.
//
// A Nomad that is built here differs from the official one in two respects (checked in Nomad 1.11.3, in its source and
// running). It is built without cgo and so has no exec driver (helper/pluginutils/catalog/register.go). It is built
// without the tag release and so has the mock_driver, with which a lab without raw_exec can run workloads, and a hook that
// fails allocations whose job asks for it (client/allocrunner/fail_hook.go). Like the official one it has the web UI (the
// build tag ui).
package image
