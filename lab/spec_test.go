package lab_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/pki"
)

// fullSpec has something in every field that a pointer or a slice leads to.
func fullSpec() lab.Spec {
	return lab.Spec{
		Name: "full", LogLevel: "DEBUG", Subnet: "10.99.0.0/24", Nomad: lab.Nomad{Version: "1.11.3"},
		Certificates: lab.Certificates{
			TTL: time.Hour, DNSNames: []string{"nomad.example"}, IPs: []string{"192.0.2.1"},
			Flaws: []lab.CertificateFlaw{{Flaw: "no-eku"}}, Names: []lab.ExtraNames{{DNSNames: []string{"a"}}},
			Roles: []lab.OtherRole{{Role: pki.Client, As: pki.Client}}, TrustForeign: []lab.ForeignTrust{{Role: pki.Server}},
		},
		Regions:  []lab.Region{{}, {Name: "eu"}},
		Settings: []lab.Setting{{Role: pki.Client, Path: "tls.http", Value: "false"}},
		Joiners:  []lab.Joiner{{Name: "x", Role: pki.Server}, {Name: "y", Role: pki.Client, Region: "eu"}},
	}
}

func TestDefaults(t *testing.T) {
	three, two := 3, 2
	want := lab.Spec{
		Name: "lab", LogLevel: "INFO",
		Regions: []lab.Region{{Name: "global", Datacenter: "dc1", Servers: &three, Clients: &two}},
		Joiners: []lab.Joiner{},
	}
	if diff := cmp.Diff(want, lab.Spec{}.WithDefaults()); diff != "" {
		t.Errorf("the zero Spec (-want +got):\n%s", diff)
	}
	joiners := fullSpec().WithDefaults().Joiners
	wantJoiners := []lab.Joiner{
		{Name: "x", Role: pki.Server, Region: "global", CertificateRole: pki.Server, CertificateRegion: "global"},
		{Name: "y", Role: pki.Client, Region: "eu", CertificateRole: pki.Client, CertificateRegion: "eu"},
	}
	if diff := cmp.Diff(wantJoiners, joiners); diff != "" {
		t.Errorf("joiners (-want +got):\n%s", diff)
	}
}

func TestDefaultsKeepWhatTheUserSaid(t *testing.T) {
	spec := lab.Spec{Name: "mine", LogLevel: "TRACE", Regions: []lab.Region{{Name: "eu", Datacenter: "rack", Servers: new(1), Clients: new(0)}}}
	want := spec.With()
	want.Joiners = []lab.Joiner{}
	if diff := cmp.Diff(want, spec.WithDefaults()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestDefaultsLeaveTheCallersSpecAlone: the same Spec may be used for several labs, by several tests.
func TestDefaultsLeaveTheCallersSpecAlone(t *testing.T) {
	spec := fullSpec()
	_ = spec.WithDefaults()
	if err := spec.Validate(); err != nil {
		t.Fatal(err)
	}
	_ = spec.Warnings()
	if diff := cmp.Diff(fullSpec(), spec); diff != "" {
		t.Errorf("the caller's Spec was changed (-before +after):\n%s", diff)
	}
}

func TestOptions(t *testing.T) {
	got := lab.Spec{}.With(
		lab.Name("mine"), lab.Version("1.10.5"), lab.LogLevel("TRACE"), lab.Servers(5), lab.Clients(0),
		lab.Set("", "tls.http", "false"), lab.Set(pki.Server, "server.encrypt", ""),
		lab.Set("", "enable_debug", "true"), lab.Set(pki.Server, "tls.http", ""),
		lab.FlawedCertificates("", pki.NoEKU()), lab.CertificateNames(pki.Client, "a", "b"), lab.CertificateRole(pki.Client, pki.Server),
		lab.TrustForeign(pki.Server),
		lab.Hardened(), lab.NotBootstrapped(),
		lab.Outside(lab.Joiner{Name: "x", Role: pki.Server}), lab.Outside(lab.Joiner{Name: "y", Role: pki.Client}),
	)
	five, none := 5, 0
	want := lab.Spec{
		Name: "mine", Nomad: lab.Nomad{Version: "1.10.5"}, LogLevel: "TRACE",
		Regions: []lab.Region{{Servers: &five, Clients: &none}},
		Certificates: lab.Certificates{
			Flaws:        []lab.CertificateFlaw{{Flaw: "no-eku"}},
			Names:        []lab.ExtraNames{{Role: pki.Client, DNSNames: []string{"a", "b"}}},
			Roles:        []lab.OtherRole{{Role: pki.Client, As: pki.Server}},
			TrustForeign: []lab.ForeignTrust{{Role: pki.Server}},
		},
		Settings: []lab.Setting{
			{Path: "tls.http", Value: "false"}, {Role: pki.Server, Path: "server.encrypt"},
			{Path: "enable_debug", Value: "true"}, {Role: pki.Server, Path: "tls.http"},
		},
		Joiners:  []lab.Joiner{{Name: "x", Role: pki.Server}, {Name: "y", Role: pki.Client}},
		Hardened: true, NotBootstrapped: true,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// everyOption changes what each option changes.
func everyOption() []lab.Option {
	return []lab.Option{
		lab.Name("other"), lab.Version("2"), lab.LogLevel("WARN"), lab.Servers(7), lab.Clients(7),
		lab.Outside(lab.Joiner{Name: "z"}), lab.Set("", "enable_debug", "true"),
		lab.FlawedCertificates("", pki.NoEKU()), lab.CertificateNames(pki.Client, "a"), lab.CertificateRole(pki.Client, pki.Server),
		lab.TrustForeign(pki.Server),
		func(s *lab.Spec) {
			s.Regions[1].Name, s.Joiners[0].Name = "us", "renamed"
			s.Settings[0].Path = "tls.rpc"
			s.Certificates.Flaws[0].Flaw, s.Certificates.Names[0].Role = "x", "x"
			s.Certificates.Roles[0].As, s.Certificates.TrustForeign[0].Role = "x", "x"
		},
	}
}

// TestWithAndLikeCopy: a scenario's Spec is shared by all that play it; what one adds must not show in another's.
func TestWithAndLikeCopy(t *testing.T) {
	for name, derive := range map[string]func(lab.Spec) lab.Spec{
		"With": func(s lab.Spec) lab.Spec { return s.With(everyOption()...) },
		"Like": func(s lab.Spec) lab.Spec {
			return lab.Spec{}.With(append([]lab.Option{lab.Like(s)}, everyOption()...)...)
		},
	} {
		t.Run(name, func(t *testing.T) {
			spec := fullSpec()
			// Room behind the slices' ends is where a careless append writes.
			spec.Joiners = append(make([]lab.Joiner, 0, 8), spec.Joiners...)
			spec.Settings = append(make([]lab.Setting, 0, 8), spec.Settings...)
			spec.Certificates.TrustForeign = append(make([]lab.ForeignTrust, 0, 8), spec.Certificates.TrustForeign...)
			derived := derive(spec)
			if derived.Name != "other" || len(derived.Joiners) != 3 || *derived.Regions[0].Servers != 7 {
				t.Errorf("the options were not applied: %+v", derived)
			}
			if diff := cmp.Diff(fullSpec(), spec); diff != "" {
				t.Errorf("the original was changed (-before +after):\n%s", diff)
			}
			if stray := spec.Joiners[:3][2]; stray != (lab.Joiner{}) {
				t.Errorf("%+v was written behind the end of the original's joiners", stray)
			}
			if stray := spec.Certificates.TrustForeign[:2][1]; stray != (lab.ForeignTrust{}) {
				t.Errorf("%+v was written behind the end of the original's trust", stray)
			}
			if stray := spec.Settings[:2][1]; stray != (lab.Setting{}) {
				t.Errorf("%+v was written behind the end of the original's settings", stray)
			}
		})
	}
}

func TestLikeTakesEverythingOver(t *testing.T) {
	got := lab.Spec{Name: "before"}.With(lab.Like(fullSpec()))
	if diff := cmp.Diff(fullSpec(), got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
