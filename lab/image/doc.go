// Package image gets a Nomad of a wanted version: as a Docker image (Resolve), or, for engines that run agents as
// ordinary processes, as a binary (ResolveBinary), without Docker.
//
// The sources of an image, in the order in which they are tried:
//
//  1. what the user names: an image, or a nomad binary, around which an image is made;
//  2. an image on this machine: the official one, or one that an earlier run built;
//  3. a pull of the official image;
//  4. a build from Nomad's Go module, for the versions with an embedded recipe.
//
// The sources of a binary:
//
//  1. what the user names: a nomad binary that runs on this machine, static or not;
//  2. the binary of an earlier build, in the cache;
//  3. the nomad in PATH, if it has exactly the wanted version;
//  4. a build from Nomad's Go module, for the versions with an embedded recipe.
//
// Both kinds of builds share the cache ($XDG_CACHE_HOME/nomadlab/image): a machine compiles each Nomad once. If two runs
// build at the same time, the second waits and uses the result of the first.
//
// All images have the same interface: nomad is at /bin/nomad, beside a shell and BusyBox's applets, /tmp is writable by all,
// and a container runs as an ordinary user without any capability. Callers must override the entry point with "nomad":
// the official image's own is a script that sleeps for two seconds before an agent starts, unless
// NOMAD_SKIP_DOCKER_IMAGE_WARN is set.
//
// A Nomad that is built here differs from the official one in two respects (checked in Nomad 1.11.3, in its source and
// running). It is built without cgo and so has no exec driver (helper/pluginutils/catalog/register.go). It is built
// without the tag release and so has the mock_driver, with which a lab without raw_exec can run workloads, and a hook that
// fails allocations whose job asks for it (client/allocrunner/fail_hook.go). Like the official one it has the web UI (the
// build tag ui).
package image
