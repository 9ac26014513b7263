package agentconf

import "fmt"

// editor is what a changed line says behind itself.
const editor = "the lab's spec"

// Edit returns the configuration with one setting changed, and in HCL a comment that says so; JSON has none. The path
// names the blocks that the setting is in, the label of one behind its name, and the line: "tls.http",
// "plugin.raw_exec.config.enabled", client.options."driver.allowlist". Blocks that are missing are made. The value is a
// literal of HCL, such as false, "0s" or ["a", "b"]; empty, it takes out the line, or the blocks of that name. All else
// stays as it is.
//
// The text is one that Nomad reads, in HCL or JSON. The errors are CheckSetting's and those of Files.Set and Files.Remove.
// Whether Nomad knows the line is Nomad's to say.
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

// Flag is the value of a boolean setting in one text, to which the path leads as in Edit. The errors are those of
// Files.Flag.
func Flag(text []byte, path string) (bool, error) {
	return Files{NewFile("", text)}.Flag(path)
}
