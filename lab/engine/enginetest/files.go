package enginetest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"strconv"
	"strings"

	"nomadlab.internal/lab/engine"
)

// nodeFolder: a node's command starts in the node's working folder.
func nodeFolder(ctx context.Context, t T, l *lab) {
	n := l.script("placed", "pwd; sleep 3600")
	n.Folder = path.Join(l.home(n), "place")
	n.Files = append(n.Files, engine.File{Path: n.Folder, Mode: fs.ModeDir | 0o700, Owner: owner(n)})
	l.started(ctx, t, n)
	l.wantLog(ctx, t, n, n.Folder+"\n")
}

// copyOutCheck: CopyOut returns the regular files of a folder, with mode, owner and content, of a node that was never
// started, that runs, and that has ended.
func copyOutCheck(ctx context.Context, t T, l *lab) {
	n := l.node("files")
	folder := path.Join(l.home(n), "out")
	n.Files = append(n.Files,
		engine.File{Path: folder, Mode: fs.ModeDir | 0o700, Owner: owner(n)},
		engine.File{Path: folder + "/key.pem", Mode: 0o600, Owner: owner(n), Data: []byte("secret")},
		engine.File{Path: folder + "/page", Mode: 0o644, Owner: owner(n), Data: []byte("open")},
		engine.File{Path: folder + "/sub", Mode: fs.ModeDir | 0o755, Owner: owner(n)},
		engine.File{Path: folder + "/sub/deep", Mode: 0o644, Owner: owner(n), Data: []byte("deeper")},
	)
	l.create(ctx, t, n)
	created := l.out(ctx, t, n, folder)
	l.start(ctx, t, n)
	user, err := strconv.Atoi(strings.TrimSpace(l.wantExec(ctx, t, n, "id", "-u")))
	must(t, err)
	runs := l.out(ctx, t, n, folder)
	must(t, l.Engine.Kill(ctx, n.Ref))
	want := map[string]string{
		folder + "/key.pem": fmt.Sprintf("-rw------- %d secret", user), folder + "/page": fmt.Sprintf("-rw-r--r-- %d open", user),
	}
	for when, got := range map[string]map[string]string{"created": created, "running": runs, "ended": l.out(ctx, t, n, folder)} {
		if !maps.Equal(got, want) {
			t.Errorf("%s: %q came out, want %q", when, got, want)
		}
	}
	for _, c := range []struct {
		r      engine.Ref
		folder string
	}{{n.Ref, folder + "/gone"}, {l.ref("unknown"), folder}} {
		if files, err := l.Engine.CopyOut(ctx, c.r, c.folder); !errors.Is(err, engine.ErrNotFound) || len(files) > 0 {
			t.Errorf("%s of %s: %v, %v, want ErrNotFound", c.folder, c.r, files, err)
		}
	}
}

// out returns mode, owner and content of each file from CopyOut.
func (l *lab) out(ctx context.Context, t T, n engine.Node, folder string) map[string]string {
	t.Helper()
	files, err := l.Engine.CopyOut(ctx, n.Ref, folder)
	must(t, err)
	got := map[string]string{}
	for _, f := range files {
		got[f.Path] = fmt.Sprintf("%s %d %s", f.Mode, f.Owner, f.Data)
	}
	return got
}
