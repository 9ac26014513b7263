package folder

import (
	"maps"
	"slices"
	"strings"

	"nomadlab.internal/lab/pki"
)

// noteFiles adds the warnings about files, whether or not they are asked for.
func (s *Source) noteFiles() {
	authorities := s.keysOfAuthorities()
	for _, f := range s.files {
		if len(f.Keys) == 0 {
			continue
		}
		if f.mode&othersRead != 0 {
			s.note("%s has a private key and can be read by every user (mode %04o): chmod 600 it", f.path, f.mode)
		}
		if a := authorities[f.path]; a != nil {
			s.note("%s has the private key of the authority %s: its reader makes certificates for every agent; keep it where no agent runs", f.path, pki.NameText(a.RawSubject))
		}
	}
	for _, b := range s.anchors() {
		if !s.isUsed(b) {
			s.note("%s holds authorities to which no certificate in %s leads; agents trust it only if there are no others", b.path, s.root)
		}
	}
}

// noteUses adds the warnings about what was given out, and about files that were not needed for it.
func (s *Source) noteUses(uses []*use) {
	for _, p := range s.problems {
		s.note("%s is %s; nothing that was asked for needs it", p.Field, p.Found)
	}
	for _, u := range uses {
		h := u.holder
		if len(u.extra) > 0 {
			s.note("%s lacks the certificate of its issuer %s, which was found in another file and added behind it", h.path, pki.NameText(u.extra[0].RawSubject))
		}
		if !u.isAgent() && h.namesAgent() {
			s.note("the lab's user has no certificate in %s, and gets that of an agent, %s: it is good for more than the HTTP API", s.root, h.path)
		}
		if further := h.furtherRoles(u.request); u.isAgent() && further > 0 {
			s.note("%s names %s: an agent of either role can pose as the other", h.path, namesText(h.leaf))
		}
		s.noteSharedKey(u)
	}
}

// noteSharedKey adds a warning if agents of another role have the same private key.
func (s *Source) noteSharedKey(u *use) {
	if !u.isAgent() {
		return
	}
	for _, node := range slices.Sorted(maps.Keys(s.given)) {
		h, other := u.holder, s.given[node]
		if node != "" && other != h && pki.SameKey(other.leaf.PublicKey, h.leaf.PublicKey) && !sharesRole(other, h) {
			paths := []string{h.path, other.path}
			slices.Sort(paths)
			s.note("one private key serves %s, which are for different roles: who has it can pose as either", strings.Join(paths, " and "))
		}
	}
}

// sharesRole reports whether both certificates name the same role of an agent.
func sharesRole(a, b *holder) bool {
	for _, role := range []pki.Role{pki.Server, pki.Client} {
		if a.namesRole(role) && b.namesRole(role) {
			return true
		}
	}
	return false
}
