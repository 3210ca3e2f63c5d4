//! Which names of a TypeScript program are used as values, and not only to make types.

use oxc_ast::ast::*;
use oxc_ast_visit::{Visit, walk};
use std::collections::HashSet;

/// The names, wherever in the program they are used; of what scope they are is not asked.
pub fn of(program: &Program<'_>) -> HashSet<String> {
    let mut reader = Reader::default();
    reader.visit_program(program);
    reader.names
}

#[derive(Default)]
struct Reader {
    names: HashSet<String>,
}

impl<'a> Visit<'a> for Reader {
    fn visit_identifier_reference(&mut self, it: &IdentifierReference<'a>) {
        self.names.insert(it.name.to_string());
    }

    fn visit_ts_import_equals_declaration(&mut self, it: &TSImportEqualsDeclaration<'a>) {
        if !it.import_kind.is_type() {
            walk::walk_ts_import_equals_declaration(self, it);
        }
    }

    // What follows holds types alone.

    fn visit_ts_type(&mut self, _: &TSType<'a>) {}

    fn visit_ts_interface_declaration(&mut self, _: &TSInterfaceDeclaration<'a>) {}

    fn visit_ts_class_implements(&mut self, _: &TSClassImplements<'a>) {}
}
