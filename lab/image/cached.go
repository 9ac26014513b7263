package image

import "context"

// Cached reports whether the part is here: whether Resolve, or ResolveFile for a part that is AsFile, or without a Docker
// daemon's address ResolveBinary, would return it now without a pull and without a build. It makes nothing. What the
// user names counts as here. A test that must not build asks it first.
//
// Errors: ErrUnknownPart, *UnknownVersionError for a text that is no version, those of ctx, and the Docker daemon's.
func Cached(ctx context.Context, dockerHost string, r Request) (bool, error) {
	if dockerHost == "" {
		w := newBuilder(r, nil, false)
		return w.here(ctx, r, binarySources{on: thisMachine()})
	}
	docker, err := connect(dockerHost)
	if err != nil {
		return false, err
	}
	defer func() { _ = docker.Close() }()
	return newResolver(docker, r, nil, !r.Part.AsFile()).here(ctx, r)
}

// here is Cached for a binary.
func (w *builder) here(ctx context.Context, r Request, from binarySources) (bool, error) {
	version, named, err := w.wanted(r)
	if err != nil || named {
		return named, err
	}
	if _, found, err := w.kept(ctx, version, from.on); found || err != nil {
		return found, err
	}
	_, err = w.inPath(ctx, version, from)
	return err == nil, ctx.Err()
}

// here is Cached for an image, or for a file to be copied into containers.
func (r *resolver) here(ctx context.Context, req Request) (bool, error) {
	version, named, err := r.wanted(req)
	if err != nil || named {
		return named, err
	}
	refs := []string{r.official + ":" + version}
	arch, err := r.architecture(ctx)
	if err != nil {
		return false, err
	}
	on := platform{"linux", arch}
	if r.part.AsFile() {
		if found, err := r.builder.here(ctx, req, binarySources{on: on, static: true}); found || err != nil {
			return found, err
		}
	} else {
		rec, known, err := r.recipes.recipe(r.part, version)
		if err != nil {
			return false, err
		}
		if known {
			refs = append(refs, r.tag(rec))
			if _, found, err := r.cached(ctx, target{rec, on}); found || err != nil {
				return found, err
			}
		}
	}
	for _, ref := range refs {
		if _, found, err := r.local(ctx, ref, version); found || err != nil {
			return found, err
		}
	}
	return false, nil
}

// wanted returns the version that a request asks for. named is true, without a version, if the user named a program.
func (w *builder) wanted(r Request) (version string, named bool, err error) {
	if err := r.check(); err != nil {
		return "", false, err
	}
	if r.Image != "" || r.Binary != "" {
		return "", true, nil
	}
	version, err = w.part.cleanVersion(r.Version)
	return version, false, err
}
