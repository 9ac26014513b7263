package agentconf

import "fmt"

// editor is who changed a line, in the comment behind it.
const editor = "the lab's spec"

// Edit returns the configuration with one setting changed and, in HCL, a comment that says so. The path has the names of
// the blocks around the setting, each followed by its label, and the name of the line: "tls.http",
// "plugin.raw_exec.config.enabled", client.options."driver.allowlist". Missing blocks are added. The value is a literal
// of HCL, such as false, "0s" or ["a", "b"]; the empty value removes the line, or the blocks of that name. Everything
// else stays as it is.
//
// The text is HCL or JSON that Nomad reads. The errors are those of CheckSetting, Files.Set and Files.Remove. Edit does
// not check whether Nomad knows the setting.
func Edit(text []byte, path, value string) ([]byte, error) {
	changed, err := edit(text, path, value)
	if err != nil {
		return nil, fmt.Errorf("change %s: %w", path, err)
	}
	return changed, nil
}

func edit(text []byte, path, value string) ([]byte, error) {
	if err := CheckSetting(path, value); err != nil {
		return nil, err
	}
	names, err := parseSetting(path)
	if err != nil {
		return nil, err
	}
	files := Files{NewFile("", text)}
	if value == "" {
		files, err = files.remove(path, names[len(names)-1]+" was taken out by "+editor)
	} else {
		files, err = files.set(path, value, "by "+editor)
	}
	if err != nil {
		return nil, err
	}
	return files[0].Text(), nil
}

// Flag returns the value of a boolean setting in one text. The errors are those of Files.Flag.
func Flag(text []byte, path string) (bool, error) {
	return Files{NewFile("", text)}.Flag(path)
}
