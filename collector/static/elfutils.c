/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Debian 13's libelf.a (elfutils 0.192) wants of a library inside elfutils that is not
 * installed: a tree of the raw chunks that elf_getdata_rawchunk() has read. libbpf never calls
 * that, so the tree stays empty; were it linked, it would want the rest of that library, and the
 * link would fail. Weak, for an archive that is whole; Debian 12's needs none.
 */
__attribute__((weak)) void eu_search_tree_init(void *tree);
__attribute__((weak)) void eu_search_tree_fini(void *tree, void (*free_node)(void *));

void eu_search_tree_init(void *tree)
{
    (void)tree;
}

void eu_search_tree_fini(void *tree, void (*free_node)(void *))
{
    (void)tree;
    (void)free_node;
}
