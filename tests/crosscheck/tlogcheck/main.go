// Tlogcheck checks our log with the code of Go's checksum database (golang.org/x/mod/sumdb), which is not ours.
//
// It reads orders, one a line, and answers each with a line: "ok", or "no" and the reason.
//
//	note VKEY FILE                                    note.Open, and the tree it speaks of is remembered
//	record SIZE ROOT INDEX LEAFHASH HASH…             tlog.CheckRecord of an inclusion proof
//	tree SIZE ROOT OLDSIZE OLDROOT HASH…              tlog.CheckTree of a consistency proof
//	leaf FOLDER SIZE ROOT INDEX LEAFHASH              the leaf's hash read from our tiles (tlog.TileHashReader)
//	prove FOLDER SIZE ROOT INDEX                      the proof Go makes from our tiles: "ok HASH…"
//
// Hashes are hexadecimal, VKEY and FILE must not hold blanks.
package main

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(make([]byte, 1<<20), 1<<20)
	answers := bufio.NewWriter(os.Stdout)
	defer answers.Flush()
	for lines.Scan() {
		answer, err := obey(strings.Fields(lines.Text()))
		if err != nil {
			fmt.Fprintln(answers, "no", strings.ReplaceAll(err.Error(), "\n", " "))
		} else {
			fmt.Fprintln(answers, strings.TrimSpace("ok "+answer))
		}
	}
}

func obey(order []string) (string, error) {
	if len(order) < 3 {
		return "", fmt.Errorf("what?")
	}
	switch rest := order[1:]; order[0] {
	case "note":
		return openNote(rest[0], rest[1])
	case "record":
		size, root, err := head(rest)
		if err != nil {
			return "", err
		}
		index, err := strconv.ParseInt(rest[2], 10, 64)
		if err != nil {
			return "", err
		}
		hashes, err := parseAll(rest[3:])
		if err != nil {
			return "", err
		}
		return "", tlog.CheckRecord(hashes[1:], size, root, index, hashes[0])
	case "tree":
		size, root, err := head(rest)
		if err != nil {
			return "", err
		}
		oldSize, oldRoot, err := head(rest[2:])
		if err != nil {
			return "", err
		}
		proof, err := parseAll(rest[4:])
		if err != nil {
			return "", err
		}
		return "", tlog.CheckTree(proof, size, root, oldSize, oldRoot)
	case "leaf", "prove":
		size, root, err := head(rest[1:])
		if err != nil {
			return "", err
		}
		index, err := strconv.ParseInt(rest[3], 10, 64)
		if err != nil {
			return "", err
		}
		reader := tlog.TileHashReader(tlog.Tree{N: size, Hash: root}, folder(rest[0]))
		if order[0] == "prove" {
			proof, err := tlog.ProveRecord(size, index, reader)
			return joinAll(proof), err
		}
		found, err := reader.ReadHashes([]int64{tlog.StoredHashIndex(0, index)})
		if err != nil {
			return "", err
		}
		if got := hex.EncodeToString(found[0][:]); got != rest[4] {
			return "", fmt.Errorf("leaf %d in the tiles is %s", index, got)
		}
		return "", nil
	}
	return "", fmt.Errorf("what?")
}

func openNote(vkey, file string) (string, error) {
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return "", err
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	opened, err := note.Open(data, note.VerifierList(verifier))
	if err != nil {
		return "", err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 {
		return "", fmt.Errorf("%d lines in the text", len(lines))
	}
	root, err := tlog.ParseHash(lines[2])
	if err != nil {
		return "", err
	}
	return lines[1] + " " + hex.EncodeToString(root[:]), nil
}

// folder serves tiles from our layout (C2SP: tile/<L>/<N>); Go's own paths have the height before the level.
type folder string

func (f folder) Height() int { return 8 }

func (f folder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, tile := range tiles {
		path := strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
		data, err := os.ReadFile(filepath.Join(string(f), filepath.FromSlash(path)))
		if err != nil {
			return nil, err
		}
		all = append(all, data)
	}
	return all, nil
}

func (f folder) SaveTiles([]tlog.Tile, [][]byte) {}

func head(words []string) (int64, tlog.Hash, error) {
	size, err := strconv.ParseInt(words[0], 10, 64)
	if err != nil {
		return 0, tlog.Hash{}, err
	}
	roots, err := parseAll(words[1:2])
	if err != nil {
		return 0, tlog.Hash{}, err
	}
	return size, roots[0], nil
}

func parseAll(words []string) ([]tlog.Hash, error) {
	all := []tlog.Hash{}
	for _, word := range words {
		raw, err := hex.DecodeString(word)
		if err != nil || len(raw) != tlog.HashSize {
			return nil, fmt.Errorf("no hash: %q", word)
		}
		all = append(all, *(*tlog.Hash)(raw))
	}
	return all, nil
}

func joinAll(hashes []tlog.Hash) string {
	words := []string{}
	for _, hash := range hashes {
		words = append(words, hex.EncodeToString(hash[:]))
	}
	return strings.Join(words, " ")
}
