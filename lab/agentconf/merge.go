package agentconf

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Text is the text of a setting as Nomad merges it: in one file the last place counts, over files the last that is not
// empty. It is "" where there is none, and where a block or a list stands.
func (f Files) Text(path string) string {
	var out string
	_ = f.merge(path, func(places []place) error {
		if v := places[len(places)-1].item().val; v.kind < isList && v.text != "" {
			out = v.text
		}
		return nil
	})
	return out
}

// Flag is a boolean setting as Nomad merges it: in one file the last place counts, over files it is true where any of
// them says so; for a few settings the last file counts, whatever it says. A setting that is nowhere is false, Nomad's
// default of most. It returns an error for a setting that is no boolean, for a path that is none, and for a file that
// cannot be read.
func (f Files) Flag(path string) (bool, error) {
	var out bool
	err := f.merge(path, func(places []place) error {
		is, err := places[len(places)-1].item().val.isTrue()
		out = is || (out && !lastFlag(path))
		return err
	})
	if err != nil {
		return false, fmt.Errorf("read %s: %w", path, err)
	}
	return out, nil
}

// Number is a number as Nomad merges it, and whether there is one: in one file the last place counts, over files the last
// that is not 0; for a few settings the last file counts, whatever it says. The errors are those of Flag.
func (f Files) Number(path string) (n int, stands bool, err error) {
	err = f.merge(path, func(places []place) error {
		last, err := places[len(places)-1].item().val.number()
		if last != 0 || lastNumber(path) {
			n = last
		}
		stands = true
		return err
	})
	if err != nil {
		return 0, false, fmt.Errorf("read %s: %w", path, err)
	}
	return n, stands, nil
}

// Texts is a list of texts as Nomad merges it: those of one file are one behind the other; those of several files too,
// where Nomad appends them; of other lists, the last that is not empty counts. A text alone counts as a list of one. The
// errors are those of Flag.
func (f Files) Texts(path string) ([]string, error) {
	var out []string
	err := f.merge(path, func(places []place) error {
		var errs []error
		var here []string
		for _, p := range places {
			texts, err := p.item().val.texts()
			here, errs = append(here, texts...), append(errs, err)
		}
		if !appended(path) && len(here) > 0 {
			out = nil
		}
		out = append(out, here...)
		return errors.Join(errs...)
	})
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return out, nil
}

// Counts is the line whose value counts as Nomad merges the setting, and whether it stands anywhere. Of a list that grows
// with each file it is the last part.
func (f Files) Counts(path string) (line Line, stands bool) {
	names, err := parsePath(path)
	if err != nil {
		return Line{}, false
	}
	trees := f.readable()
	for i, places := range counting(trees, names) {
		if len(places) == 0 {
			continue
		}
		if last := places[len(places)-1]; !stands || outdoes(path, last.item().val) {
			line, stands = f[i].line(trees[i], last), true
		}
	}
	return line, stands
}

// outdoes says whether a value of a later file counts in the place of an earlier one's.
func outdoes(path string, v value) bool {
	switch is, err := v.isTrue(); {
	case lastFlag(path), lastNumber(path):
		return true
	case v.kind == isList:
		return len(v.list) > 0
	case v.kind > isList:
		return true
	case err == nil:
		return is // of a number that is 0 or 1 as well
	default:
		return v.text != ""
	}
}

// merge hands over the places that count, file by file, without files that have none.
func (f Files) merge(path string, file func([]place) error) error {
	names, err := parsePath(path)
	if err != nil {
		return err
	}
	trees, err := f.trees()
	if err != nil {
		return err
	}
	for _, places := range counting(trees, names) {
		if len(places) == 0 {
			continue
		}
		if err := file(places); err != nil {
			return err
		}
	}
	return nil
}

// isTrue reads a boolean as HCL 1 does (decoder.go:137 of hcl v1.0.1-nomad-1): 1 and "true" are true too.
func (v value) isTrue() (bool, error) {
	if v.kind < isList {
		switch strings.ToLower(v.text) {
		case "1", "true":
			return true, nil
		case "0", "false":
			return false, nil
		}
	}
	return false, errors.New("it is no boolean")
}

// number reads one as HCL 1 does (decoder.go:184): it may be a text.
func (v value) number() (int, error) {
	n, err := strconv.ParseInt(v.text, 0, 0)
	if err != nil || v.kind >= isList {
		return 0, errors.New("it is no whole number")
	}
	return int(n), nil
}

func (v value) texts() ([]string, error) {
	switch v.kind {
	case isBlock:
		return nil, errors.New("it is a block, and no list of texts")
	case isList:
		var out []string
		for _, e := range v.list {
			if e.kind >= isList {
				return nil, errors.New("it is no list of texts")
			}
			out = append(out, e.text)
		}
		return out, nil
	default:
		return []string{v.text}, nil
	}
}

// appended says whether Nomad appends a list of a later file to that of the ones before. These are all of Nomad 1.11.3
// (command/agent/config.go:2708 to :2718, :2839 and :2985).
func appended(path string) bool {
	return pathIsOneOf(path, "client.servers", "server.enabled_schedulers", "server.start_join", "server.retry_join",
		"telemetry.allowed_metadata_keys_in_metrics")
}

// lastFlag says whether of a boolean the last file counts, also where it says false: those which are a pointer in Nomad
// 1.11.3 (command/agent/config.go and nomad/structs/config), and ui.enabled (nomad/structs/config/ui.go, Merge).
func lastFlag(path string) bool {
	return pathIsOneOf(path, "disable_update_check", "ui.enabled", "ui.show_cli_hints", "audit.enabled", "reporting.license.enabled",
		"client.no_host_uuid", "client.nomad_service_discovery", "client.drain_on_shutdown.*",
		"client.artifact.disable_artifact_inspection", "client.artifact.disable_filesystem_isolation", "client.fingerprint.*.exit_on_failure",
		"server.enable_event_broker", "server.plan_rejection_tracker.enabled",
		"telemetry.filter_default", "telemetry.disable_allocation_hook_metrics",
		"autopilot.*", "consul.*", "vault.enabled", "vault.tls_skip_verify")
}

// lastNumber says the same of a number, also where it is 0.
func lastNumber(path string) bool {
	return pathIsOneOf(path, "limits.http_max_conns_per_client", "limits.rpc_max_conns_per_client",
		"server.raft_multiplier", "server.num_schedulers", "server.event_buffer_size", "server.raft_snapshot_threshold",
		"server.raft_trailing_logs", "server.job_default_priority", "server.job_max_priority", "server.job_max_count",
		"server.job_tracked_versions", "client.artifact.decompression_file_count_limit",
		"client.users.dynamic_user_min", "client.users.dynamic_user_max", "client.template.*.attempts")
}

func pathIsOneOf(path string, paths ...string) bool {
	names, err := parsePath(path)
	return err == nil && isOneOf(names, paths...)
}
