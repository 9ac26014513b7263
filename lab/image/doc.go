// Package image decides where the Nomad of a wanted version comes from. It returns a Docker image of it (Resolve), or,
// for engines that run agents as ordinary processes, the binary itself (ResolveBinary), which takes no Docker.
//
// The sources of an image, in the order in which they are tried:
//
//  1. what the user names: an image, or a nomad binary, around which an image is made;
//  2. an image that is here: the official one, or one that an earlier run built;
//  3. a pull of the official image;
//  4. a build from Nomad's Go module, for the versions with an embedded recipe.
//
// The sources of a binary:
//
//  1. what the user names: a nomad binary that runs on this machine, static or not;
//  2. the binary that an earlier build has left in the cache;
//  3. the nomad in PATH, if it is of exactly the wanted version;
//  4. a build from Nomad's Go module, for the versions with an embedded recipe.
//
// A build of either kind keeps its binary in the cache ($XDG_CACHE_HOME/nomadlab/image), and takes the one that is there:
// a machine compiles a Nomad once, whichever engine asks first. Two runs at the same time build once; the second waits.
//
// All images can be used alike: nomad is at /bin/nomad, beside a shell and BusyBox's applets, /tmp is
// writable by all, and a container of it runs as an ordinary user without any capability. Callers must
// override the entry point with "nomad": the official image's own is a script that sleeps for two
// seconds before an agent starts, unless NOMAD_SKIP_DOCKER_IMAGE_WARN is set.
//
// What is built differs from the official image and binary in two things (checked in Nomad 1.11.3, by source and by
// running it). Built without cgo, its nomad has no exec driver (helper/pluginutils/catalog/register.go). And it is built
// without the tag release, so that it has the mock_driver, which runs nothing: a lab without raw_exec, which has no other
// driver, can run a workload by it. Besides, that tag leaves out one hook, which fails allocations whose job asks for it
// (client/allocrunner/fail_hook.go). The build tag ui puts the web UI in, as in the official one.
package image
